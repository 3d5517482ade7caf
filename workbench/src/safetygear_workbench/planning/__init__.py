"""What a site needs: computed from measured constants."""
