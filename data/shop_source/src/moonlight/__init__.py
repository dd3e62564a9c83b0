"""The shop page of Moonlight Bakery."""
