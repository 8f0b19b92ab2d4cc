berth inbox
berth inbox main
berth inbox --state failed,unanswered
berth inbox --state expired
berth inbox --state failing
berth inbox nobody
