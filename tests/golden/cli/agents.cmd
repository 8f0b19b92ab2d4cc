#show requests
berth start main
berth stop main --now --reason 'new disk'
berth hold main --reason 'looks odd' --json
berth restart main
berth stop mian
berth stop
