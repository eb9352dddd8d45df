"""Django's migrations and ORM through the router; throws at the first surprise."""
import os
import sys
from decimal import Decimal

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import django  # noqa: E402

django.setup()
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, NotSupportedError, connection, transaction  # noqa: E402
from django.db.models import Avg, Count, Sum  # noqa: E402
from shop.models import Author, Book, Visit  # noqa: E402

call_command("migrate", verbosity=0)
call_command("migrate", verbosity=0)  # nothing is left to do
call_command("migrate", "shop", "zero", verbosity=0)
call_command("migrate", verbosity=0)
assert {"shop_author", "shop_book", "auth_user", "django_migrations"} <= set(connection.introspection.table_names())

authors = [Author.objects.create(name=f"Author {number}") for number in range(5)]
Book.objects.bulk_create(Book(author=author, title=f"Book {number}", price=Decimal("9.50") + number, tags=[number])
                         for author in authors for number in range(4))
assert Book.objects.count() == 20
assert Book.objects.filter(author__name="Author 3").aggregate(Sum("price"), Avg("price"), Count("id")) == {
    "price__sum": Decimal("44.00"), "price__avg": Decimal("11.00"), "id__count": 4}
assert [a.name for a in Author.objects.annotate(n=Count("books")).filter(n=4).order_by("-name")[:2]] == ["Author 4", "Author 3"]
assert Book.objects.select_related("author").get(title="Book 2", author=authors[1]).author.name == "Author 1"
assert len(Author.objects.prefetch_related("books")) == 5
assert Book.objects.filter(tags__contains=[2]).count() == 5
book = Book.objects.first()
book.price = Decimal("1.00")
book.save()
assert Book.objects.get(pk=book.pk).price == Decimal("1.00")
assert Author.objects.get_or_create(name="Author 0")[1] is False
assert Author.objects.update_or_create(name="New", defaults={})[1] is True
try:
    with transaction.atomic():
        Author.objects.create(name="Another")
        with transaction.atomic():
            Author.objects.create(name="Author 0")
    raise AssertionError("a duplicate was taken")
except IntegrityError:
    assert not Author.objects.filter(name="Another").exists()
with transaction.atomic():
    try:
        with transaction.atomic():
            Author.objects.create(name="Author 0")
    except IntegrityError:
        pass
    Author.objects.create(name="Kept")
assert Author.objects.filter(name="Kept").exists()
with transaction.atomic():
    assert Author.objects.select_for_update().get(name="Kept").delete()[0] == 1
assert sum(1 for _ in Book.objects.order_by("id").iterator(chunk_size=3)) == 20

# A sharded table.
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE visits (id bigserial, visitor bigint NOT NULL, page text NOT NULL, PRIMARY KEY (visitor, id))")
    cursor.execute("SELECT nanu.shard_table('visits', key => 'visitor')")
made = [Visit.objects.create(visitor=number % 10, page=f"/{number}") for number in range(40)]
assert len({visit.id for visit in made}) == 40, "an id was given twice"
assert Visit.objects.count() == 40
assert Visit.objects.filter(visitor=3).count() == 4
assert [visit.page for visit in Visit.objects.filter(visitor=3).order_by("page")] == ["/13", "/23", "/3", "/33"]
assert list(Visit.objects.values_list("visitor").annotate(n=Count("id")).order_by("visitor")[:2]) == [(0, 4), (1, 4)]
with transaction.atomic():
    Visit.objects.filter(visitor=3, page="/3").update(page="/three")
    assert Visit.objects.filter(visitor=3, page="/three").exists()
assert Visit.objects.filter(visitor=3, page="/three").delete()[0] == 1
for visitor in range(4):        # the savepoint of an inner block comes before anything tells the shard
    with transaction.atomic():
        try:
            with transaction.atomic():
                Visit.objects.create(visitor=visitor, page="/undone")
                raise KeyError
        except KeyError:
            pass
        with transaction.atomic():
            Visit.objects.create(visitor=visitor, page="/nested")
assert Visit.objects.filter(page="/nested").count() == 4 and not Visit.objects.filter(page="/undone").exists()
try:
    Visit.objects.update(page="/")
    raise AssertionError("an UPDATE of all shards was taken")
except NotSupportedError:
    pass
print("ok")
