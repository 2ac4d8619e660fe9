"""One report, six ways out: JSON, page, Markdown, terminal, GitHub Actions, JUnit XML."""

PAGE, DOCUMENT, MARKDOWN, INDEX = "report.html", "report.json", "report.md", "index.html"
"""The files in the folder of a report; the last where there are several."""
