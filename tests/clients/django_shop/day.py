"""A shop's day in Django's ORM, where what is read was written just before. Prints the answers, and how many reads there were outside of transactions
on the connection that reads."""
import json
import os
import sys
from decimal import Decimal

os.environ["DJANGO_SETTINGS_MODULE"] = "settings_replicas"
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import django  # noqa: E402

django.setup()
from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, connections, transaction  # noqa: E402
from django.db.models import Avg, Count, Exists, F, Max, OuterRef, Q, Subquery, Sum, Window  # noqa: E402
from django.db.models.functions import Rank  # noqa: E402
from shop.models import Author, Book  # noqa: E402

answers, reads = [], 0
READER = "replicas" if "replicas" in connections else "default"


def count_reads(execute, sql, params, many, context):
    global reads
    connection = context["connection"]
    held = context["cursor"].cursor.name is not None    # a cursor WITH HOLD, which keeps its session on one server
    reads += connection.alias == READER and sql.lstrip("(").startswith("SELECT") and not held and not connection.in_atomic_block
    return execute(sql, params, many, context)


def say(*values):
    answers.append([list(value) if hasattr(value, "__iter__") and not isinstance(value, (str, dict)) else value for value in values])


connections[READER].execute_wrappers.append(count_reads)
call_command("migrate", verbosity=0)

say("none", Author.objects.count(), Book.objects.exists(), Book.objects.first() is None)
for number in range(6):
    author = Author.objects.create(name=f"Author {number}")
    say("created", Author.objects.get(name=author.name).pk == author.pk, Author.objects.count(), Author.objects.latest("id").name)
    for part in range(number):
        Book(author=Author.objects.get(pk=author.pk), title=f"Book {number}.{part}", price=Decimal(number) + Decimal(part) / 4, tags=[part, number]).save()
    say("books", author.books.order_by("title").values_list("title", "price"))
    book = author.books.order_by("-id").first()
    if book:
        book.price += 10
        book.save(update_fields=["price"])
        book.refresh_from_db()
        say("changed", book.title, book.price, book.author.name)

say("sums", Book.objects.aggregate(Sum("price"), Avg("price"), Max("title"), Count("author", distinct=True)))
say("each", Author.objects.annotate(books_count=Count("books"), dearest=Max("books__price")).order_by("-books_count").values_list("name", "books_count", "dearest"))
say("many", Author.objects.annotate(n=Count("books")).filter(n__gte=3).order_by("name").values_list("name", flat=True))
say("joined", Book.objects.select_related("author").filter(Q(author__name__endswith="4") | Q(price__gt=13)).order_by("id").values_list("title", "author__name"))
with_books = Author.objects.prefetch_related("books").order_by("id")
say("prefetched", [(author.name, sorted(book.title for book in author.books.all())) for author in with_books])
newest = Book.objects.filter(author=OuterRef("pk")).order_by("-id")
say("subquery", Author.objects.annotate(newest=Subquery(newest.values("title")[:1])).order_by("id").values_list("newest", flat=True))
say("exists", Author.objects.filter(~Exists(Book.objects.filter(author=OuterRef("pk")))).values_list("name", flat=True))
say("window", Book.objects.annotate(rank=Window(Rank(), partition_by="author", order_by=F("price").desc())).order_by("id").values_list("rank", flat=True))
say("union", Author.objects.filter(id=1).values_list("name").union(Author.objects.filter(id=2).values_list("name")).order_by("name"))
say("json", Book.objects.filter(tags__contains=[4]).count(), Book.objects.filter(tags__0=1).order_by("id").values_list("title", flat=True))
say("bulk", sorted(author.name for author in Author.objects.in_bulk([1, 3]).values()))
say("raw", [author.name for author in Author.objects.raw("SELECT * FROM shop_author WHERE name > %s ORDER BY name", ["Author 3"])])
say("distinct", Book.objects.order_by("author__name").values_list("author__name", flat=True).distinct())

author, made = Author.objects.get_or_create(name="Author 1")
say("got", author.pk, made, Author.objects.get_or_create(name="Author 7")[1], Author.objects.filter(name="Author 7").exists())
book, made = Book.objects.update_or_create(title="Book 1.0", defaults={"price": Decimal("77.00")})
say("updated", made, Book.objects.get(title="Book 1.0").price)
say("all dearer", Book.objects.filter(author__name="Author 5").update(price=F("price") * 2), Book.objects.aggregate(Sum("price")))
Book.objects.bulk_create(Book(author=author, title=f"Bulk {number}", price=1) for number in range(5))
say("bulk made", Book.objects.filter(title__startswith="Bulk").count(), Book.objects.filter(title="Bulk 4").delete(), author.books.count())

with transaction.atomic():
    Author.objects.create(name="Within")
    say("within", Author.objects.filter(name="Within").exists(), Author.objects.count())
    transaction.on_commit(lambda: say("on commit", Author.objects.filter(name="Within").exists()))
    locked = Book.objects.select_for_update().get(title="Book 2.0")
    locked.price -= 1
    locked.save()
    say("locked", Book.objects.get(title="Book 2.0").price)
say("after", Author.objects.count(), Book.objects.get(title="Book 2.0").price)
try:
    with transaction.atomic():
        Book.objects.all().delete()
        say("deleted", Book.objects.count())
        Author.objects.create(name="Within")
except IntegrityError as error:
    say("undone", str(error).splitlines()[0], Book.objects.count(), Author.objects.filter(name="Within").count())
with transaction.atomic():
    try:
        with transaction.atomic():
            Author.objects.filter(name="Within").delete()
            raise KeyError
    except KeyError:
        say("savepoint", Author.objects.filter(name="Within").exists())
try:
    with transaction.atomic():
        Author.objects.select_for_update(nowait=True).get(name="Nobody")
except Author.DoesNotExist:
    say("nobody", Author.objects.filter(name="Nobody").exists())

user, group = User.objects.create_user("mina"), Group.objects.create(name="sellers")
group.permissions.add(Permission.objects.get(codename="add_book"))
user.groups.add(group)
user = User.objects.get(username="mina")
say("user", user.has_perm("shop.add_book"), user.has_perm("shop.delete_book"), user.groups.values_list("name", flat=True), sorted(user.get_all_permissions()))
user.groups.clear()
say("left", user.groups.count(), group.user_set.count())
# Last, as what follows the end of a held cursor may still be where that was.
say("iterated", [book.title for book in Book.objects.order_by("id").iterator(chunk_size=4)])
print(json.dumps({"answers": answers, "reads": reads}, default=str))
