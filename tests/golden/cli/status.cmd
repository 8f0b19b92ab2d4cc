berth status
berth status --quiet
berth status --parts
