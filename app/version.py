"""The version of Postern, as the document of the API and whoever else asks tells it. CHANGELOG.md follows it."""

VERSION = "1.0.0-dev"
