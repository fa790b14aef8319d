"""A disk whose power can be cut: tests/disk/losefs.c, mounted."""

import os
import pathlib
import signal
import subprocess

from harness.waiting import until


class LoseFs:
    """Keeps in backing what was synced; what else was written under mount is gone after a cut."""

    def __init__(self, build, backing, mount):
        self.program = pathlib.Path(build) / "tests/disk/losefs"
        self.backing, self.mount = pathlib.Path(backing), pathlib.Path(mount)
        self.process = None
        self.cuts = 0

    @staticmethod
    def missing(build):
        """Why there can be none here; None if there can."""
        if not os.access("/dev/fuse", os.R_OK | os.W_OK) or os.geteuid() != 0:
            return "SKIPPED FOR WANT OF FUSE: there is no /dev/fuse, or no right to mount"
        if not (pathlib.Path(build) / "tests/disk/losefs").exists():
            return "SKIPPED FOR WANT OF FUSE: losefs was not built (libfuse3-dev)"
        return None

    def start(self):
        self.backing.mkdir(exist_ok=True)
        self.mount.mkdir(mode=0o700, exist_ok=True)
        self.process = subprocess.Popen([str(self.program), str(self.backing), str(self.mount)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until(lambda: os.path.ismount(self.mount), "losefs to be mounted")
        return self

    def cut(self, half=False):
        """half: a part of what was not synced had reached the disk all the same."""
        self.process.send_signal(signal.SIGUSR1 if half else signal.SIGKILL)
        self.process.wait()
        self.cuts += 1

    def leave(self):
        """The mount point is free again once nobody has a file open there."""
        subprocess.run(["umount", "-l", str(self.mount)], check=False, capture_output=True)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.leave()
        return self.start()
