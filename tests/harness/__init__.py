"""Real PostgreSQL servers and a real router for the pytest suites.

postgres.py starts servers, router.py a router, cluster.py puts a router before some servers with a database of its own; tests/conftest.py
makes fixtures of them.
"""
