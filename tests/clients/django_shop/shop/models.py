from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=100, unique=True)
    joined = models.DateTimeField(auto_now_add=True)


class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    title = models.CharField(max_length=200, db_index=True)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    tags = models.JSONField(default=list)


class Visit(models.Model):
    """Sharded by `visitor` once the migrations have made it."""
    visitor = models.BigIntegerField()
    page = models.TextField()

    class Meta:
        managed = False
        db_table = "visits"
