#columns 80
berth inbox
