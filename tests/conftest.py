"""Options that all suites share; the fixtures themselves are in tests/harness/."""


def pytest_addoption(parser):
    parser.addoption("--io", choices=["uring", "epoll", "both"], default="both", help="event loops to test the router on")
