"""The database: engine, migrations, tables, and the two databases' own ways."""
