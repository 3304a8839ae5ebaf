"""What people read and change: keys, teams, requests, spend, audit."""
