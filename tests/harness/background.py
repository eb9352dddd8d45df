"""Things that happen at the same time."""
import concurrent.futures


def in_background(*jobs):
    """Runs all at once; their results, in order. The first error is raised when all have ended."""
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        futures = [pool.submit(job) for job in jobs]
    return [future.result() for future in futures]
