"""What happens to replicas while clients read from them."""
import contextlib
import random
import signal

from harness.wait import wait_until

OPERATIONS, SECONDS = 500, 0.25  # for so long each of it lasts, at least


@contextlib.contextmanager
def paused(*replicas):
    with contextlib.ExitStack() as stack:
        for replica in replicas:
            replica.pause()
            stack.callback(replica.resume)
        yield


@contextlib.contextmanager
def delayed(replica):
    """It replays what is 200 ms old."""
    def configure(statement):
        with replica.connect() as conn:
            conn.execute(statement)
            conn.execute("SELECT pg_reload_conf()")
    configure("ALTER SYSTEM SET recovery_min_apply_delay = '200ms'")
    try:
        yield
    finally:
        configure("ALTER SYSTEM RESET recovery_min_apply_delay")


@contextlib.contextmanager
def killed(replica):
    replica.program.stop(signal.SIGKILL)
    try:
        yield
    finally:
        wait_until(lambda: is_up(replica), f"{replica.name} runs again", interval_s=0.2)


def is_up(replica):
    """One that was killed holds its shared memory until its last process has seen that."""
    try:
        replica.start()
    except RuntimeError:
        return False
    return True


def disturbances(replicas, relays, dice, all_at_once):
    """A round: all of them in some order. all_at_once: now and then no replica goes on."""
    one, other = dice.sample(replicas, 2)
    relay = relays[other]
    chosen = [lambda: paused(one), lambda: delayed(other), relay.holding, lambda: relay.slow(0.1), lambda: killed(one)]
    if all_at_once:
        chosen.append(lambda: paused(one, other))
    return dice.sample(chosen, len(chosen))


def disturb(load, cluster, relays, seed, all_at_once):
    """Every shard's replicas, until the load has done enough, and each shard's in all ways at least once. One thread: servers end with whoever started
    them."""
    dice = random.Random(seed)
    rounds = 0
    while not load.enough or not rounds:
        for begin in zip(*(disturbances(replicas, relays, dice, all_at_once) for replicas in cluster.replicas)):
            if load.enough and rounds:
                break
            with contextlib.ExitStack() as stack:
                for one in begin:
                    stack.enter_context(one())
                load.go_on(OPERATIONS, SECONDS)
            load.go_on(OPERATIONS, 0)
        rounds += 1
