"""A table of mishaps: what goes wrong between two stages, and in the middle of one."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.acceptance import hands
from tests.acceptance.observer import OURS

# The way to the service that the mishap is about, and all ways.
ROUTES = ("service",)
EVERYTHING = ("aleph", "beth", "front")


@dataclass(frozen=True)
class Mishap:
    """One of them.

    Attributes:
        do: does it, and may give what a person would take back when told to.
        during: it happens in the middle of a stage, not before one.
        empties: it takes pods away: while a version has none, requests for it are lost.
        cuts: it breaks the way to these: until a stage has mended that, requests are lost.
        ends: it ends the play.
    """

    name: str
    do: Callable[[hands.Hand], hands.Undo | None]
    during: bool = False
    empties: bool = False
    cuts: tuple[str, ...] = ()
    ends: bool = False


NOTE = "example.com/note=mine"
MANAGED_BY = "app.kubernetes.io/managed-by-"
SPOILT_RECORD = f"{OURS}stage=cheese"
MISHAPS = [
    Mishap("scale to 0", hands.scale(0), empties=True),
    Mishap("scale to 3", hands.scale(3)),
    Mishap("scale to 0 during", hands.scale(0), during=True, empties=True),
    Mishap("scale to 3 during", hands.scale(3), during=True),
    Mishap("delete a pod", hands.delete_pods(), empties=True),
    Mishap("delete a pod during", hands.delete_pods(), during=True, empties=True),
    Mishap("delete a pod at once", hands.delete_pods("", "--grace-period=0", "--force"), during=True, empties=True),
    Mishap("delete a Deployment", hands.delete("deployment"), empties=True),
    Mishap("delete a Deployment during", hands.delete("deployment"), during=True, empties=True),
    Mishap("delete the VirtualService", hands.delete("virtualservice"), cuts=ROUTES),
    Mishap("delete the VirtualService during", hands.delete("virtualservice"), during=True, cuts=ROUTES),
    Mishap("delete the DestinationRule", hands.delete("destinationrule"), cuts=ROUTES),
    Mishap("delete the DestinationRule during", hands.delete("destinationrule"), during=True, cuts=ROUTES),
    Mishap("delete both", hands.delete("virtualservice", "destinationrule"), cuts=ROUTES),
    Mishap("edit a weight", hands.edit_a_weight),
    Mishap("edit a weight during", hands.edit_a_weight, during=True),
    Mishap("edit the routes and put them back", hands.edit_and_put_back),
    Mishap("a redirect", hands.redirect),
    Mishap("a fault", hands.fault),
    Mishap("another label on a pod", hands.foreign_label_on_a_pod, empties=True),
    Mishap("our label off the VirtualService", hands.run("label", "virtualservice/{service}", MANAGED_BY)),
    Mishap("our label off a Deployment", hands.run("label", "deployment/{deployment}", MANAGED_BY)),
    Mishap("an image that is not there", hands.image("0.4")),
    Mishap("the image of another version", hands.image("0.3")),
    Mishap("the record edited", hands.run("annotate", "virtualservice/{service}", SPOILT_RECORD, "--overwrite")),
    Mishap("somebody's annotation", hands.run("annotate", "virtualservice/{service}", NOTE, "--overwrite")),
    Mishap("rollout restart", hands.restart()),
    Mishap("rollout restart during", hands.restart(), during=True),
    Mishap("kill -9 the play", hands.end_by(signal.SIGKILL), during=True, ends=True),
    Mishap("Ctrl-C", hands.end_by(signal.SIGINT), during=True, ends=True),
    Mishap("the terminal is closed", hands.end_by(signal.SIGHUP), during=True, ends=True),
    Mishap("kill istiod", hands.kill_istiod, during=True),
    Mishap("istiod away", hands.control_plane_away, during=True),
    Mishap("two plays at once", hands.second_play, during=True),
    Mishap("restart front", hands.restart("front-v03"), during=True),
    Mishap("restart load", hands.restart("load"), during=True),
    Mishap("restart mongo", hands.restart("mongo"), during=True),
    Mishap("an overlapping VirtualService", hands.overlapping_virtual_service),
    Mishap("an overlapping VirtualService during", hands.overlapping_virtual_service, during=True),
    Mishap("a VirtualService that others keep to themselves", hands.private_virtual_service),
    Mishap("a wildcard DestinationRule", hands.wildcard_rule),
    Mishap("cordon", hands.cordon),
    Mishap("drain", hands.drain, empties=True),
    Mishap("drain during", hands.drain, during=True, empties=True),
    Mishap("delete the Lease", hands.run("delete", "lease", "workshop-stage", "--ignore-not-found"), during=True),
    Mishap("delete the namespace's PeerAuthentications", hands.delete_policies, cuts=("front",)),
    Mishap("no injection", hands.no_injection, empties=True),
    Mishap("an autoscaler", hands.autoscaler),
    Mishap("no pods allowed", hands.no_pods_allowed),
    Mishap("the routes touched", hands.touch, during=True),
    Mishap("the worker frozen", hands.freeze_the_worker, during=True, cuts=EVERYTHING),
]
