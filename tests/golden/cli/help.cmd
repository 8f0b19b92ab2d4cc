#columns 80
berth help
berth
berth help send
berth ls --help
berth help exit-codes
berth help atach
berth sned x
berth --version
berth version --json
berth ls extra
