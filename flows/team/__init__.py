"""A whole team's stack on one machine: `graft up --team`. Each service is a process, started again when it dies."""
