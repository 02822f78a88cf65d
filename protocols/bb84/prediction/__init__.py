"""What a described link should give: key rates against loss, and the best settings."""
