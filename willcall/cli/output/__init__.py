"""What commands print: JSON, notes, tables and details."""
