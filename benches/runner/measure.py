"""Measures the cost of a process and everything it starts: time, CPU time, memory. Linux only."""

import ctypes, os, pathlib, resource, signal, subprocess, threading, time

# A single process is cheap to sample and may end soon; a tree is expensive and lasts longer.
SAMPLE_SECONDS, SAMPLE_TREE_SECONDS = 0.02, 0.05
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Makes this process the parent of orphaned descendants, so that their cost can still be read."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:  # The thread has ended in the meantime.
            pass
    return found


def tree(roots):
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children(pid)
    return found


def memory_kb(pid, field):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


class Sampler(threading.Thread):
    """Samples the memory of all child processes except those in `kept`."""

    def __init__(self, kept):
        super().__init__(daemon=True)
        self.kept, self.ended = kept, threading.Event()
        self.peak_kb, self.most_processes = 0, 0

    def run(self):
        while not self.ended.wait(SAMPLE_TREE_SECONDS if self.most_processes > 1 else SAMPLE_SECONDS):
            pids = tree(set(children(os.getpid())) - self.kept)
            self.most_processes = max(self.most_processes, len(pids))
            # The high-water mark of a single process is exact; several processes may have reached theirs at different times.
            field = "VmHWM:" if len(pids) == 1 else "VmRSS:"
            self.peak_kb = max(self.peak_kb, sum(memory_kb(pid, field) for pid in pids))


def run(argv, folder, env, timeout, kept=()):
    """Runs a command to completion and returns its cost, including all descendants.

    `kept` are child processes that do not belong to it. Its stdout and stderr are written to files in the folder.
    """
    kept = set(kept)
    floor_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sampler = Sampler(kept)
    timed_out = threading.Event()
    with open(folder / "stdout", "wb") as out, open(folder / "stderr", "wb") as err:
        started = time.perf_counter()
        process = subprocess.Popen(argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        sampler.start()

        def stop():
            timed_out.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(timeout, stop)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    sampler.ended.set()
    sampler.join()
    cpu, peak_kb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
    while orphans := set(children(os.getpid())) - kept:
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
            _, _, usage = os.wait4(pid, 0)
            cpu += usage.ru_utime + usage.ru_stime
            peak_kb = max(peak_kb, usage.ru_maxrss)
    # A child starts as a copy of this process, which the kernel's mark includes, so it only counts if it exceeds ours.
    marked = peak_kb if peak_kb > floor_kb else 0
    return {
        "exit": process.returncode,
        "timed_out": timed_out.is_set(),
        "wall_s": wall,
        "cpu_s": cpu,
        "rss_mb": max(sampler.peak_kb, marked) / 1024,
        "rss_of": "process" if sampler.most_processes <= 1 else f"sum of up to {sampler.most_processes} processes, sampled",
    }


def size_mb(path):
    """The size on disk of a file, or of a folder with its contents."""
    path = pathlib.Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    # Hard links are counted once.
    blocks = {(s.st_dev, s.st_ino): s.st_blocks for s in (f.lstat() for f in files)}
    return sum(blocks.values()) * 512 / 1e6


def file_system(path):
    """The type of the file system of a path."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return "unknown"
