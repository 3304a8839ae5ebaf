"""`/docs`: the API explorer, Swagger UI 5.35.0, served from this package and from nowhere else."""
