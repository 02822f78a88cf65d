"""An optical frequency link: its beat on two counters, its drift taken back."""
