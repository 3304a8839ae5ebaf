"""Who may come in: sessions, logins, tries, and what the browser is told."""
