"""Things that happen at the same time."""
import concurrent.futures


def in_background(*jobs):
    """Runs all at once; their results, in order. The first error is raised when all have ended."""
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        futures = [pool.submit(job) for job in jobs]
    return [future.result() for future in futures]


def cancelled(conn, statement="SELECT pg_sleep(60)", when=lambda: None):
    """What it ends with when cancel requests come, after `when` has returned: more than one, as one that comes before the statement has begun is lost."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(conn.execute, statement)
        when()
        while not running.done():
            conn.cancel()
            concurrent.futures.wait([running], timeout=0.1)
        return running.exception()
