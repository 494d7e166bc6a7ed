"""Self-contained HTML pages: markup, charts, and what holds a page together, for whoever has something to show."""
