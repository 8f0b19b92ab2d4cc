#launcher ambiguous.json
#show requests
berth approve PP01
berth deny pp01 --json
berth deny bpp01
