#columns 80
berth ls
