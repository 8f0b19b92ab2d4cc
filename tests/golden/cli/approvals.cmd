#show requests
berth approvals
berth approvals doc-writer
berth approvals --json
berth approve app01
berth deny aapp02 --message 'use the other one'
berth approve app03
berth approve zzzz01
berth approve app
berth deny app01 --json
