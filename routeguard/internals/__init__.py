"""What touches the inside of aiohttp."""
