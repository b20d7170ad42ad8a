# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a kubeconfig: which server, by what credentials, through which proxy."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies

from ansible import constants
from kubernetes import client, config
from kubernetes.client.rest import should_bypass_proxies
from kubernetes.config.config_exception import ConfigException
from yaml import YAMLError

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.errors import (
    KubernetesError,
    Target,
    first_line,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded, is_file

# A program that a kubeconfig names for its credentials may ask a cloud, or wait for a person who isn't there.
CREDENTIAL_SECONDS = 30.0
# This machine, and what no proxy of a network leads to: private networks, and addresses without a router.
NEAR = (
    "localhost",
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
)


def load(kubeconfig: str, seconds: float = CREDENTIAL_SECONDS) -> tuple[client.Configuration, Target]:
    """Read a kubeconfig; nothing is asked of the cluster yet.

    Args:
        seconds: for the kubeconfig's own program, if it has one.
    """
    path = expanded(kubeconfig)
    if not is_file(path):
        raise KubernetesError(
            f"There is no kubeconfig at {kubeconfig}: make the cluster first (ansible-playbook site.yml), or name "
            "an existing cluster's with -e workshop_kubeconfig=FILE."
        )
    # The environment's proxy is chosen below, as kubectl does.
    configuration = client.Configuration(proxy="", no_proxy="")
    loading = _Loading(path, configuration)
    loading.start()
    loading.join(seconds)
    if loading.is_alive():
        raise KubernetesError(
            f"The program that {kubeconfig} names for its credentials (users[].exec) has not ended after "
            f"{seconds:g} s: run kubectl --kubeconfig {kubeconfig} get nodes to see what it asks for."
        )
    if isinstance(loading.failure, (TypeError, AttributeError)):
        raise KubernetesError(
            f"The file {kubeconfig} is no kubeconfig: name one, with -e workshop_kubeconfig=FILE."
        ) from loading.failure
    if isinstance(loading.failure, Exception):
        raise KubernetesError(
            f"The kubeconfig {kubeconfig} cannot be used: {first_line(loading.failure)}"
        ) from loading.failure
    if loading.complaints:
        raise KubernetesError(
            f"The program that {kubeconfig} names for its credentials (users[].exec) failed: "
            f"{first_line(loading.complaints[0])}: run kubectl --kubeconfig {kubeconfig} get nodes to see it whole."
        )
    if not _is_address(configuration.host):
        raise KubernetesError(
            f"The kubeconfig {kubeconfig} names the server {configuration.host!r}, but must name one such as "
            "https://192.0.2.10:6443."
        )
    # Calls are repeated on purpose, in one place; and a retried 429 or redirect would hide what happened.
    configuration.retries = False
    proxy, source = configuration.proxy, "proxy-url in the kubeconfig"
    if not proxy:
        proxy, source = environment_proxy(configuration.host, getproxies())
    if proxy and "://" not in proxy:  # "proxy:3128", which curl and kubectl take, too
        proxy = f"http://{proxy}"
    configuration.proxy = proxy
    return configuration, Target(
        configuration.host, kubeconfig, f"{_without_password(proxy)} ({source})" if proxy else ""
    )


class _Loading(threading.Thread):
    """Reads a kubeconfig; a thread, because the client waits without end for the program of `users[].exec`."""

    def __init__(self, path: Path, configuration: client.Configuration) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._configuration = configuration
        self.failure: Exception | None = None
        self.complaints: list[str] = []

    def run(self) -> None:
        # The client only logs that the program failed, and goes on without credentials.
        complaints = logging.Handler(logging.ERROR)
        complaints.emit = lambda record: self.complaints.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger().addHandler(complaints)
        try:
            # The client writes certificates and keys to files, and a worker of Ansible's ends without removing its own:
            # into the directory that Ansible itself removes.
            config.load_kube_config(
                config_file=str(self._path),
                client_configuration=self._configuration,
                persist_config=False,
                temp_file_path=constants.DEFAULT_LOCAL_TMP,
            )
        except (ConfigException, YAMLError, ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            self.failure = error
        finally:
            logging.getLogger().removeHandler(complaints)


def environment_proxy(server: str, proxies: Mapping[str, str]) -> tuple[str, str]:
    """Choose the environment's proxy for a server, and name the variable; two empty texts when there is none for it.

    A proxy serves the way out. What stands on this machine or in a private network is asked directly, as a room always
    is; a private cluster that can only be reached through a proxy says so with `proxy-url` in its kubeconfig.

    Args:
        proxies: by scheme, and under "no" who is asked directly (urllib.request.getproxies).

    >>> environment_proxy("https://cluster.example:6443", {"https": "http://proxy:3128"})
    ('http://proxy:3128', 'HTTPS_PROXY')
    >>> environment_proxy("https://127.0.0.1:6443", {"https": "http://proxy:3128"})
    ('', '')
    """
    scheme = urlsplit(server).scheme
    proxy = proxies.get(scheme, "")
    if not proxy or should_bypass_proxies(server, no_proxy(proxies.get("no", ""))):
        return "", ""
    return proxy, f"{scheme.upper()}_PROXY"


def no_proxy(named: str) -> str:
    """List who is asked directly, as NO_PROXY does: what is near, and what the environment's own list names.

    >>> no_proxy("cluster.example").rpartition(",")[2]
    'cluster.example'
    """
    return ",".join(filter(None, (*NEAR, named)))


def _is_address(server: str) -> bool:
    try:
        parts = urlsplit(server)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its port is no number, or too large
        return False


def _without_password(proxy: str) -> str:
    parts = urlsplit(proxy)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
