"""What the `tollkeeper` commands do; `app.cli` says how they are called."""
