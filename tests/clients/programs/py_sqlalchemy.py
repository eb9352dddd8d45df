"""SQLAlchemy (Core, ORM, its pool) and Alembic's migrations, over psycopg2, through the router; README.md says what each check is."""
import concurrent.futures
import io
import pathlib
import tempfile
from decimal import Decimal

import alembic.command
import alembic.config
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, insert

from common import (ERRORS, LARGE, LEAKS, MOMENT, OTHER_ROOT, SLEEP, SLEEPERS, expect, failing, fails, md5, run,
                    until)

BYTES = bytes(range(256))
Base = orm.declarative_base()


class Item(Base):
    """The sharded table."""
    __tablename__ = "items"
    id = sa.Column(sa.BigInteger, primary_key=True, autoincrement=False)
    name = sa.Column(sa.Text, nullable=False)
    price = sa.Column(sa.Numeric(12, 4))
    made = sa.Column(sa.DateTime(timezone=True))
    data = sa.Column(BYTEA)
    tags = sa.Column(ARRAY(sa.Text))
    sizes = sa.Column(ARRAY(sa.Integer))
    doc = sa.Column(JSONB(none_as_null=True))


class Author(Base):
    __tablename__ = "authors"
    id = sa.Column(sa.Integer, sa.Identity(), primary_key=True)
    name = sa.Column(sa.Text, unique=True, nullable=False)
    books = orm.relationship("Book", back_populates="author", cascade="all, delete-orphan", order_by="Book.title")


class Book(Base):
    __tablename__ = "books"
    id = sa.Column(sa.Integer, primary_key=True)            # serial
    author_id = sa.Column(sa.ForeignKey("authors.id", ondelete="CASCADE"), nullable=False, index=True)
    title = sa.Column(sa.Text, nullable=False)
    author = orm.relationship("Author", back_populates="books")


def engine(more="", **options):
    """What the URL does not say stands in libpq's environment variables."""
    return sa.create_engine(f"postgresql+psycopg2://{more}", future=True, **options)


def ask(db, statement, **values):
    return db.execute(sa.text(statement), values)


def check_connect():
    with engine().connect() as db:
        expect(ask(db, "SELECT current_user").scalar(), "app")
        expect(db.connection.dbapi_connection.info.ssl_in_use, True)
        expect(db.dialect.server_version_info[0], 15)
    for part, url in {"password authentication failed": "app:wrong@", "certificate verify failed": f"/?sslrootcert={OTHER_ROOT}",
                      "no encryption": "/?sslmode=disable"}.items():
        expect(part in str(fails(sa.exc.OperationalError, engine(url).connect)), True, part)


def check_prepared():
    """SQLAlchemy compiles a statement once and keeps it; the values are bound to it each time."""
    with engine().connect() as db:
        by_key = sa.select(Item.name).where(Item.id == sa.bindparam("key"))
        for key in [*range(1, 21)] * 2:
            expect(db.execute(by_key, {"key": key}).scalar_one(), f"item {key}")
        for most in (3, 5):
            expect(db.scalars(sa.select(Item.id).where(Item.id <= most).order_by(Item.id.desc())).all(), list(range(most, 0, -1)))
        expect(db.execute(sa.select(sa.func.count(), sa.func.min(Item.id), sa.func.max(Item.id)).where(Item.id <= 20)).one(), (20, 1, 20))
        groups = sa.select((Item.id % 3).label("rest"), sa.func.count()).where(Item.id <= 20).group_by("rest").order_by("rest")
        expect(db.execute(groups).all(), [(0, 6), (1, 7), (2, 7)])


def check_types():
    row = {"name": "naïve 나누 ☃", "price": Decimal("12345.6789"), "made": MOMENT, "data": BYTES, "tags": ["a", 'b "c", d', None],
           "sizes": [1, -2, 3], "doc": {"a": [1, None, "☃"]}}
    null = dict.fromkeys(row, None) | {"name": "all else is NULL"}
    with engine().connect() as db:
        for key in range(101, 105):
            for values in (row, null):
                db.execute(sa.insert(Item).values(id=key, **values))
                db.commit()
                found = dict(db.execute(sa.select(Item.__table__).where(Item.id == key)).mappings().one())
                found["data"] = found["data"] and bytes(found["data"])
                expect(found, {"id": key, **values})
                db.execute(sa.delete(Item).where(Item.id == key))
                db.commit()


def check_transaction():
    first, second = engine(), engine(isolation_level="AUTOCOMMIT")
    with first.connect() as db, second.connect() as other:
        def name():
            return other.scalar(sa.select(Item.name).where(Item.id == 301))
        with db.begin():
            db.execute(sa.insert(Item).values(id=301, name="kept"))
            expect(name(), None)
        expect(name(), "kept")
        with failing(ZeroDivisionError), db.begin():
            expect(db.execute(sa.delete(Item).where(Item.id == 301)).rowcount, 1)
            raise ZeroDivisionError
        expect(name(), "kept")
        with db.begin():
            db.execute(sa.update(Item).where(Item.id == 301).values(name="savepoint"))
            with failing(sa.exc.IntegrityError), db.begin_nested():
                db.execute(sa.insert(Item).values(id=301, name="again"))
        expect(name(), "savepoint")
        for key in range(302, 306):     # the savepoint comes before anything tells the shard
            with db.begin():
                with failing(ZeroDivisionError), db.begin_nested():
                    db.execute(sa.insert(Item).values(id=key, name="undone"))
                    raise ZeroDivisionError
                with db.begin_nested():
                    db.execute(sa.insert(Item).values(id=key, name="nested"))
        expect(other.scalar(sa.select(sa.func.count()).where(Item.name == "nested")), 4)
        with failing(sa.exc.InternalError), db.begin():
            expect(fails(sa.exc.DataError, ask, db, "SELECT 1 / 0").orig.pgcode, "22012")
            ask(db, "SELECT 1")
        expect(ask(db, "SELECT 1").scalar(), 1)
    with first.connect().execution_options(isolation_level="SERIALIZABLE") as db:
        expect(ask(db, "SHOW transaction_isolation").scalar(), "serializable")
    with first.connect().execution_options(stream_results=True, max_row_buffer=7) as db:
        expect(ask(db, "SELECT generate_series(1, 50)").scalars().all(), list(range(1, 51)))


def check_copy():
    """By the driver's own connection, as SQLAlchemy's documentation has it."""
    rows = "".join(f"{number}\trow {number}\n" for number in range(5000))
    with engine().begin() as db:
        with db.connection.dbapi_connection.cursor() as cursor:
            cursor.copy_expert("COPY copied FROM STDIN", io.StringIO(rows))
            out = io.StringIO()
            cursor.copy_expert("COPY copied TO STDOUT", out)
        expect(out.getvalue(), rows)
        expect(ask(db, "SELECT count(*) FROM copied").scalar(), 5000)


def check_cancel():
    with engine().connect() as db, engine(isolation_level="AUTOCOMMIT").connect() as watcher:
        with concurrent.futures.ThreadPoolExecutor(1) as background:
            sleeping = background.submit(ask, db, SLEEP)
            until(lambda: ask(watcher, SLEEPERS).scalar() == 1)
            db.connection.dbapi_connection.cancel()
            expect(sleeping.exception(20).orig.pgcode, "57014")
        db.rollback()
        expect(ask(db, "SELECT 1").scalar(), 1)


def check_error():
    with engine(isolation_level="AUTOCOMMIT").connect() as db:
        for statement, *wanted in ERRORS:
            error = fails(sa.exc.DBAPIError, db.exec_driver_sql, statement).orig.diag
            expect([error.sqlstate, error.message_primary, *(text or "" for text in (error.message_detail, error.constraint_name,
                                                                                    error.statement_position))], wanted)
        expect(ask(db, "SELECT 1").scalar(), 1)


def check_large():
    words, noise = LARGE.decode(), LARGE[::-1]
    big = sa.Table("big", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("words", sa.Text),
                   sa.Column("bytes", sa.LargeBinary))
    with engine().connect() as db:
        with db.begin():
            db.execute(sa.insert(big).values(id=1, words=words, bytes=noise))
        one = big.c.id == 1
        expect(db.execute(sa.select(sa.func.md5(big.c.words), sa.func.md5(big.c.bytes)).where(one)).one(), (md5(LARGE), md5(noise)))
        found = db.execute(sa.select(big.c.words, big.c.bytes).where(one)).one()
        expect((found.words == words, bytes(found.bytes) == noise), (True, True))


def check_leak():
    with engine(isolation_level="AUTOCOMMIT").connect() as watcher:
        def gone():
            return ask(watcher, "SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'").scalar() == 0
        for _ in range(4):      # more often than there are server processes to be soiled
            soilers = engine("/?application_name=leak", isolation_level="AUTOCOMMIT")
            with soilers.connect() as soiler:
                for soil, *_ in LEAKS:
                    soiler.exec_driver_sql(soil)
            soilers.dispose()
            until(gone)
            with engine().connect() as db:
                for _, question, clean in LEAKS:
                    expect(str(db.exec_driver_sql(question).scalar()), clean, question)
        # SQLAlchemy's pool before nanu's.
        pooled = engine("/?application_name=leak", pool_size=5, max_overflow=0)

        def work(number):
            with pooled.connect() as db:
                return ask(db, "SELECT CAST(:number AS int)", number=number).scalar()
        with concurrent.futures.ThreadPoolExecutor(10) as threads:
            expect(list(threads.map(work, range(60))), list(range(60)))
        pooled.dispose()
        until(gone)
        expect(ask(watcher, "SELECT coalesce(sum(lent), 0) FROM nanu.pools").scalar(), 0)


def check_orm():
    """A session's unit of work, over plain tables and a sharded one."""
    db = engine()
    Base.metadata.create_all(db)        # makes what is missing, and so looks at all
    with orm.Session(db) as session:
        session.add_all([Author(name=f"author {n}", books=[Book(title=f"book {n}.{m}") for m in range(3)]) for n in range(5)])
        session.commit()
        author = session.scalars(sa.select(Author).where(Author.name == "author 3").options(orm.selectinload(Author.books))).one()
        expect([book.title for book in author.books], ["book 3.0", "book 3.1", "book 3.2"])
        titles = sa.select(Author.name, sa.func.count(Book.id)).join(Author.books).group_by(Author.name).having(sa.func.count(Book.id) == 3)
        expect(len(session.execute(titles).all()), 5)
        expect(session.scalar(sa.select(Book).options(orm.joinedload(Book.author)).where(Book.title == "book 1.2")).author.name, "author 1")
        del author.books[0]
        author.name = "another name"
        session.commit()
        expect(session.scalar(sa.select(sa.func.count(Book.id))), 14)
        session.add(Author(name="author 1"))
        fails(sa.exc.IntegrityError, session.flush)
        session.rollback()
        for key in range(401, 409):     # each in a transaction of its own: one writes on one shard
            session.add(Item(id=key, name=f"item {key}", tags=["new"], doc={"key": key}))
            session.commit()
        item = session.get(Item, 404)
        item.name, item.price = "changed", Decimal("1.5")
        session.commit()
        session.refresh(item)
        expect((item.name, item.price, item.doc), ("changed", Decimal("1.5000"), {"key": 404}))
        expect([found.id for found in session.scalars(sa.select(Item).where(Item.id.between(401, 408)).order_by(Item.id))], list(range(401, 409)))
        upsert = insert(Item).values(id=404, name="upserted")
        session.execute(upsert.on_conflict_do_update(index_elements=["id"], set_={"name": upsert.excluded.name}))
        session.commit()
        expect(session.get(Item, 404, populate_existing=True).name, "upserted")
        session.delete(item)
        session.commit()
        expect(session.get(Item, 404), None)
    Base.metadata.drop_all(db, tables=[Book.__table__, Author.__table__])


MIGRATIONS = {"first": """
from alembic import op
import sqlalchemy as sa
revision, down_revision = "first", None
def upgrade():
    op.create_table("owners", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text, nullable=False))
    op.create_table("visits", sa.Column("visitor", sa.BigInteger, primary_key=True), sa.Column("id", sa.BigInteger, primary_key=True))
    with op.get_context().autocommit_block():          # it is no part of a transaction
        op.execute("SELECT nanu.shard_table('visits', key => 'visitor')")
def downgrade():
    op.drop_table("visits")
    op.drop_table("owners")
""", "second": """
from alembic import op
import sqlalchemy as sa
revision, down_revision = "second", "first"
def upgrade():
    op.add_column("visits", sa.Column("page", sa.Text, server_default="/"))
    op.create_index("visits_page", "visits", ["page"])
    op.add_column("owners", sa.Column("email", sa.Text))
    op.create_unique_constraint("owners_email", "owners", ["email"])
    op.alter_column("owners", "name", type_=sa.String(100))
def downgrade():
    op.drop_column("visits", "page")
    op.drop_column("owners", "email")
"""}
ENVIRONMENT = """
from alembic import context
import sqlalchemy as sa
with sa.create_engine("postgresql+psycopg2://").connect() as db:
    context.configure(connection=db, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


def check_migrations():
    with tempfile.TemporaryDirectory() as name, engine().connect() as db:
        folder = pathlib.Path(name)
        (folder / "versions").mkdir()
        (folder / "env.py").write_text(ENVIRONMENT)
        for revision, text in MIGRATIONS.items():
            (folder / "versions" / f"{revision}.py").write_text(text)
        config = alembic.config.Config()
        config.set_main_option("script_location", name)

        def columns(table):
            with db.begin():
                return [column["name"] for column in sa.inspect(db).get_columns(table)]
        alembic.command.upgrade(config, "head")
        expect((columns("visits"), columns("owners")), (["visitor", "id", "page"], ["id", "name", "email"]))
        with db.begin():
            expect(ask(db, "SELECT version_num FROM alembic_version").scalar(), "second")
            expect(ask(db, "SELECT count(*) FROM nanu.tables WHERE name = 'visits'").scalar(), 1)
        for visitor in range(1, 9):
            with db.begin():
                expect(ask(db, "INSERT INTO visits VALUES (:visitor, 1) RETURNING page", visitor=visitor).scalar(), "/")
        alembic.command.downgrade(config, "first")
        expect((columns("visits"), columns("owners")), (["visitor", "id"], ["id", "name"]))
        alembic.command.upgrade(config, "head")
        with db.begin():
            expect(ask(db, "SELECT count(*), count(page) FROM visits").one(), (8, 8))
        alembic.command.downgrade(config, "base")
        with db.begin():
            expect(sa.inspect(db).has_table("visits"), False)
            expect(ask(db, "SELECT count(*) FROM nanu.tables WHERE name = 'visits'").scalar(), 0)


run(globals())
