#tty
berth attach main
berth attach -r
berth attach doc-writer
berth attach revewer
