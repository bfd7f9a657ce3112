"""What a process and everything it starts costs: time, processor time, memory. Linux only."""

import ctypes, os, pathlib, resource, signal, subprocess, threading, time

# One process is cheap to look at, and may be over soon; a tree is not.
SAMPLE_SECONDS, SAMPLE_TREE_SECONDS = 0.02, 0.05
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Makes this process the parent of whatever outlives its own parent, so that its cost can still be asked for."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:  # The thread ended meanwhile.
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
    """Samples the memory of all our children but the kept ones."""

    def __init__(self, kept):
        super().__init__(daemon=True)
        self.kept, self.ended = kept, threading.Event()
        self.peak_kb, self.most_processes = 0, 0

    def run(self):
        while not self.ended.wait(SAMPLE_TREE_SECONDS if self.most_processes > 1 else SAMPLE_SECONDS):
            pids = tree(set(children(os.getpid())) - self.kept)
            self.most_processes = max(self.most_processes, len(pids))
            # One process has its highest mark to itself; of several the marks need not have been at one time.
            field = "VmHWM:" if len(pids) == 1 else "VmRSS:"
            self.peak_kb = max(self.peak_kb, sum(memory_kb(pid, field) for pid in pids))


def run(argv, folder, env, timeout, kept=()):
    """Runs a command to its end, and says what it cost with all its descendants.

    `kept` are children of ours that are no part of it. Its stdout and stderr go into files in the folder.
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
    # A child begins as a copy of this process, and the kernel's mark remembers that: it only counts above ours.
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
    """What a file, or a folder with all in it, takes on disk."""
    path = pathlib.Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    # A file that has two names is there once.
    blocks = {(s.st_dev, s.st_ino): s.st_blocks for s in (f.lstat() for f in files)}
    return sum(blocks.values()) * 512 / 1e6


def file_system(path):
    """The kind of file system a path is on."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return "unknown"
