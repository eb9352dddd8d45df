"""Certificates, made with openssl for one test session."""
import os
import pathlib
import subprocess

from .program import server_user


def openssl(*arguments, text=None):
    subprocess.run(["openssl", *map(str, arguments)], check=True, input=text, text=True, capture_output=True)


class Identity:
    """A certificate and its key: paths of PEM files."""

    def __init__(self, folder, name):
        self.certificate, self.key = pathlib.Path(folder) / f"{name}.crt", pathlib.Path(folder) / f"{name}.key"

    def give_to_servers(self):
        """The servers' user must own the key."""
        user = server_user()
        if user:
            os.chown(self.key, user.pw_uid, user.pw_gid)
        return self


class Authority(Identity):
    """Issues certificates; its own is the root that others trust."""

    def __init__(self, folder, name):
        super().__init__(folder, name)
        self.folder = folder
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out", self.certificate,
                "-days", "30", "-subj", f"/CN={name}")

    def issue(self, name, common_name, made_out_for="IP:127.0.0.1", days=30):
        """made_out_for: subjectAltName. days=0: expired already."""
        identity = Identity(self.folder, name)
        request = pathlib.Path(self.folder) / f"{name}.csr"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", identity.key, "-out", request,
                "-subj", f"/CN={common_name}")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                "-out", identity.certificate, "-extfile", "/dev/stdin", text=f"subjectAltName={made_out_for}\n")
        identity.key.chmod(0o600)
        return identity
