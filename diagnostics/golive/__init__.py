"""The list to go through before real money, as code: each point passed, failed, or not run with the reason."""
