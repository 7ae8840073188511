"""Rows of the table: every request, response and record, one module a chapter of the manual."""
