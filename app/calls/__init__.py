"""A call's life: made ready, held, attempted, priced and settled, and the value it ends as."""
