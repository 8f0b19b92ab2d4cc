#columns 40
berth ls
