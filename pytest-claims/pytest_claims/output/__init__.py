"""One report, six ways out: JSON, page, Markdown, terminal, GitHub Actions, JUnit XML."""
