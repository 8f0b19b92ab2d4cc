#columns 80
berth log
berth log reviewer -n1
berth log rewiever
berth log -n x
