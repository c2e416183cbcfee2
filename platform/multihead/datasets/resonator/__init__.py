"""Pictures with true labels: plucked and struck strings, synthesised and seen through mel bands."""
