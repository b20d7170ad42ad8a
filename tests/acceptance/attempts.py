"""What one student may try on another or on the room, as data: each attempt is refused, and by whom is said.

OTHER is another student's namespace, OWN the student's own, NODE a node's name, LOAD a pod's; what stands in braces is
looked up when it is tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Who refuses: no right, the room's admission policies, the Pod Security Standard, a quota, a limit.
RIGHTS = r"forbidden: User|cannot \w+ resource|\(Forbidden\): \w+"
POLICY = r"ValidatingAdmissionPolicy .* denied request: (?!expression)"
SECURITY = r"violates PodSecurity"
QUOTA = r"exceeded quota"
LIMIT = r"maximum (cpu|memory|ephemeral-storage) usage per Container"
ISTIO = "networking.istio.io/v1"


@dataclass(frozen=True)
class Asked:
    """kubectl, with the student's kubeconfig.

    Attributes:
        words: its arguments.
        given: an object on its standard input.
        refusal: what it must say.
    """

    words: tuple[str, ...]
    given: dict[str, Any] | None = None
    refusal: str = RIGHTS


def kubectl(words: str, refusal: str = RIGHTS) -> Asked:
    """Ask for something in one line."""
    return Asked(tuple(words.split()), None, refusal)


def make(kind: str, api: str, spec: dict[str, Any], refusal: str = RIGHTS, where: str = "OWN", **more: Any) -> Asked:
    """Make an object."""
    metadata = {"name": "attempt", "namespace": where, **more.pop("metadata", {})}
    item = {"apiVersion": api, "kind": kind, "metadata": metadata, **({"spec": spec} if spec else {}), **more}
    return Asked(("create", "--filename=-"), item, refusal)


def route(where: str = "OWN", refusal: str = POLICY, **spec: Any) -> Asked:
    """Make a VirtualService that is right but for what is given."""
    right = {"hosts": ["aleph"], "http": [{"route": [{"destination": {"host": "aleph"}}]}]}
    return make("VirtualService", ISTIO, {**right, **spec}, refusal, where)


def rule(policy: dict[str, Any]) -> Asked:
    """Make a DestinationRule that is right but for how its host is called."""
    return make("DestinationRule", ISTIO, {"host": "front", "trafficPolicy": policy}, POLICY)


def hashed(**by: Any) -> dict[str, Any]:
    return {"consistentHash": {"useSourceIp": True, **by}}


def managed(number: int) -> dict[str, Any]:
    """Say that somebody manages a hundred fields with long names."""
    fields: dict[str, Any] = {"f:spec": {f"f:{field}-{'x' * 60}": {} for field in range(100)}}
    of = {"apiVersion": ISTIO, "fieldsType": "FieldsV1", "fieldsV1": fields, "time": "2026-01-01T00:00:00Z"}
    return {"manager": f"manager-{number}", "operation": "Apply", **of}


def to(host: str, **more: Any) -> list[dict[str, Any]]:
    return [{"route": [{"destination": {"host": host}}], **more}]


OTHERS_HOST = "front.OTHER.svc.cluster.local"
RBAC = "rbac.authorization.k8s.io/v1"
ADMIN = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
MYSELF = [{"kind": "ServiceAccount", "name": "student", "namespace": "OWN"}]

BY_API: dict[str, Asked] = {
    "list another's pods": kubectl("get pods -n OTHER"),
    "list everybody's pods": kubectl("get pods -A"),
    "delete another's pods": kubectl("delete pods --all -n OTHER"),
    "exec in another's pod": kubectl("exec -n OTHER deploy/load -- id"),
    "read another's log": kubectl("logs -n OTHER deploy/load"),
    "forward a port of another's": kubectl("port-forward -n OTHER svc/front 0:80"),
    "scale another's application": kubectl("scale -n OTHER deploy/front-v03 --replicas=0"),
    "read another's routes": kubectl("get virtualservices -n OTHER"),
    "write another's routes": route("OTHER", RIGHTS),
    "read another's secrets": kubectl("get secrets -n OTHER"),
    "read one's own secrets": kubectl("get secrets -n OWN"),
    "exec in the room's own application": kubectl("exec -n staging deploy/load -- id"),
    "read the mesh's private key": kubectl("get secret istio-ca-secret -n istio-system"),
    "read the registry's password": kubectl("get secrets -n registry"),
    "read the builds": kubectl("get configmaps -n build"),
    "write which image a version is": kubectl("delete configmap images -n build"),
    "read the cluster's configuration": kubectl("get configmaps -n kube-system"),
    "list namespaces": kubectl("get namespaces"),
    "make a namespace": kubectl("create namespace attempt"),
    "remove another's namespace": kubectl("delete namespace OTHER"),
    "remove one's own namespace": kubectl("delete namespace OWN"),
    "let privileged pods into one's own": kubectl(
        "label namespace OWN pod-security.kubernetes.io/enforce=privileged --overwrite"
    ),
    "list nodes": kubectl("get nodes"),
    "give a pod other limits": kubectl("patch pod LOAD --subresource=resize -p {}"),
    "write that one is not throttled": kubectl("annotate namespace OWN workshop.istio-games/throttled-"),
    "ask a kubelet through the API": kubectl("get --raw /api/v1/nodes/NODE/proxy/pods"),
    "call another's service through the API": kubectl("get --raw /api/v1/namespaces/OTHER/services/front:80/proxy/"),
    "call one's own pod through the API": kubectl("get --raw /api/v1/namespaces/OWN/services/front:80/proxy/"),
    "be an administrator": kubectl("get nodes --as=admin --as-group=system:masters"),
    "be another student": kubectl("get pods -n OTHER --as=system:serviceaccount:OTHER:student"),
    "take another's token": kubectl("create token student -n OTHER"),
    "take a token that lasts": kubectl("create token student -n OWN --duration=87600h"),
    "bind oneself in one's own": make("RoleBinding", RBAC, {}, roleRef=ADMIN, subjects=MYSELF),
    "bind oneself everywhere": make("ClusterRoleBinding", RBAC, {}, roleRef=ADMIN, subjects=MYSELF),
    "widen one's own role": kubectl("delete role student -n OWN"),
    "have a certificate signed": make(
        "CertificateSigningRequest",
        "certificates.k8s.io/v1",
        {"request": "YQ==", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]},
    ),
    "put a container into a pod": kubectl("debug -n OWN pod/LOAD --image=attempt --profile=restricted"),
    "run a pod": kubectl("run attempt -n OWN --image=attempt"),
    "run a job": kubectl("create job attempt -n OWN --image=attempt"),
    "open one's own policies": kubectl("delete networkpolicy --all -n OWN"),
    "add a policy": make("NetworkPolicy", "networking.k8s.io/v1", {"podSelector": {}, "egress": [{}]}),
    "lift the quota": kubectl("delete resourcequota --all -n OWN"),
    "lift the limits": kubectl("delete limitrange --all -n OWN"),
    "lift strict mTLS": kubectl("delete peerauthentications --all -n OWN"),
    "let others call": kubectl("delete authorizationpolicies --all -n OWN"),
    "lift the admission policies": kubectl("delete validatingadmissionpolicies --all"),
    "route another's host": route(hosts=[OTHERS_HOST]),
    "route another's host in short": route(hosts=["front.OTHER"]),
    "route every host": route(hosts=["*"]),
    "route a host of the world": route(hosts=["example.org"]),
    "export a route to everybody": route(exportTo=["*"]),
    "export a route to another": route(exportTo=["OTHER"]),
    "bind a route to the door": route(gateways=["door/door"]),
    "bind a match to the door": route(http=to("aleph", match=[{"gateways": ["door/door"], "uri": {"prefix": "/"}}])),
    "lead requests to another's": route(http=to(OTHERS_HOST)),
    "send copies to another's": route(http=to("aleph", mirror={"host": OTHERS_HOST})),
    "send more copies to another's": route(http=to("aleph", mirrors=[{"destination": {"host": OTHERS_HOST}}])),
    "lead connections to another's": route(http=[], tcp=[{"route": [{"destination": {"host": "mongo.OTHER"}}]}]),
    "delegate a route": route(http=[{"delegate": {"name": "aleph", "namespace": "OTHER"}}]),
    "set how others call another's": make("DestinationRule", ISTIO, {"host": OTHERS_HOST}, POLICY),
    "set how others call one's own": make("DestinationRule", ISTIO, {"host": "front", "exportTo": ["*"]}, POLICY),
    "open a door of one's own": make("Gateway", ISTIO, {"selector": {"istio": "ingressgateway"}}),
    "claim a host": make("ServiceEntry", ISTIO, {"hosts": [OTHERS_HOST], "ports": [{"number": 80, "name": "http"}]}),
    "change a proxy": make("EnvoyFilter", ISTIO, {"configPatches": []}),
    "see every host": make("Sidecar", ISTIO, {"egress": [{"hosts": ["*/*"]}]}),
    "be an endpoint by oneself": make(
        "EndpointSlice", "discovery.k8s.io/v1", {}, addressType="IPv4", endpoints=[], ports=[]
    ),
    "be a group of endpoints": make("WorkloadGroup", ISTIO, {"template": {"serviceAccount": "front"}}),
    "have proxies tell more": make("Telemetry", "telemetry.istio.io/v1", {"accessLogging": [{"disabled": True}]}),
    "have proxies begin otherwise": make("ProxyConfig", "networking.istio.io/v1beta1", {"concurrency": 64}),
    "let somebody's tokens in": make("RequestAuthentication", "security.istio.io/v1", {"jwtRules": []}),
    "be an endpoint of another's": make("WorkloadEntry", ISTIO, {"address": "192.0.2.1"}),
    "put code into a proxy": make("WasmPlugin", "extensions.istio.io/v1alpha1", {"url": "oci://attempt"}),
    "publish a port of the nodes": make("Service", "v1", {"type": "NodePort", "ports": [{"port": 80}]}),
    "take a load balancer": make("Service", "v1", {"type": "LoadBalancer", "ports": [{"port": 80}]}),
    "take another's address": make("Service", "v1", {"externalIPs": ["192.0.2.1"], "ports": [{"port": 80}]}),
    "name another's service as one's own": make("Service", "v1", {"type": "ExternalName", "externalName": OTHERS_HOST}),
    "make a volume of a node's directory": make("PersistentVolume", "v1", {"hostPath": {"path": "/"}}, where=""),
    "keep every stage out of the place": make("Lease", "coordination.k8s.io/v1", {"holderIdentity": "me"}),
    "call a thing another's": kubectl(
        'patch deployment aleph-v01 -n OWN -p {"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap",'
        '"name":"kube-root-ca.crt","uid":"none"}]}}',
        POLICY,
    ),
    "bind connections to the door": route(
        http=[], tcp=[{"match": [{"gateways": ["door/door"]}], "route": [{"destination": {"host": "mongo"}}]}]
    ),
    "fill the door's proxy": make(
        "DestinationRule", ISTIO, {"host": "front", "subsets": [{"name": f"v{number}"} for number in range(50)]}, POLICY
    ),
    "fill the memory of everybody's proxies": rule({"loadBalancer": hashed(ringHash={"minimumRingSize": 8388608})}),
    "fill it for a port of a subset": make(
        "DestinationRule",
        ISTIO,
        {
            "host": "front",
            "subsets": [
                {
                    "name": "v01",
                    "trafficPolicy": {
                        "portLevelSettings": [
                            {"port": {"number": 80}, "loadBalancer": hashed(maglev={"tableSize": 5000011})}
                        ]
                    },
                }
            ],
        },
        POLICY,
    ),
    "have everybody's proxies refuse their routes": rule(
        {"loadBalancer": {"consistentHash": {"httpHeaderName": "no\nname"}}}
    ),
    "have everybody's proxies wait for a file": rule({"tls": {"mode": "SIMPLE", "caCertificates": "/none"}}),
    "show the door's certificate": rule({"tls": {"mode": "MUTUAL", "credentialName": "workshop-door-certificate"}}),
    "fill what the cluster keeps its objects in": route(
        http=[rule for number in range(1000, 2000) for rule in to("aleph", name=f"{number}" * 60)]
    ),
    "fill it with who manages an object": make(
        "VirtualService",
        ISTIO,
        {"hosts": ["aleph"], "http": to("aleph")},
        f"{POLICY}.*managers",
        metadata={"managedFields": [managed(number) for number in range(20)]},
    ),
    "take another's application over by force": Asked(
        ("apply", "--server-side", "--force-conflicts", "--filename=-"),
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "front-v03", "namespace": "OTHER"}},
    ),
    "try a route for another's host and write nothing": Asked(
        ("create", "--dry-run=server", "--filename=-"), route(hosts=[OTHERS_HOST]).given, POLICY
    ),
    "have a route for another's host named by the API": make(
        "VirtualService",
        ISTIO,
        {"hosts": [OTHERS_HOST], "http": to("aleph")},
        POLICY,
        metadata={"name": None, "generateName": "attempt-"},
    ),
    "say that a rollout is done": kubectl("patch deployment aleph-v01 -n OWN --subresource=status -p {}"),
    "scale without a hand": make(
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        {"maxReplicas": 100, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "aleph-v01"}},
    ),
    "keep a node from being emptied": make("PodDisruptionBudget", "policy/v1", {"minAvailable": 1}),
    "tell an event that was none": make(
        "Event", "v1", {}, involvedObject={"kind": "Pod", "name": "LOAD", "namespace": "OWN"}, reason="Throttled"
    ),
    "read the API server's metrics": kubectl("get --raw /metrics"),
    "ask whose token it is": make("TokenReview", "authentication.k8s.io/v1", {"token": "x"}, where=""),
    "ask what others may": make(
        "SubjectAccessReview", "authorization.k8s.io/v1", {"user": "admin", "nonResourceAttributes": {}}, where=""
    ),
    "judge what others write": kubectl("get validatingwebhookconfigurations"),
    "keep an object for ever": make(
        "VirtualService",
        ISTIO,
        {"hosts": ["aleph"], "http": to("aleph")},
        POLICY,
        metadata={"finalizers": ["example.org/never"]},
    ),
}


CLAIM = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}


@dataclass(frozen=True)
class Pod:
    """A Deployment of the student's whose pods are not made.

    Attributes:
        spec: of the pod, over one that is right; IMAGE stands for an image of the room.
        container: of its container, over one that is right.
        metadata: of the pod, beside its labels.
        refusal: what keeps its pods from being made.
    """

    spec: dict[str, Any] = field(default_factory=dict)
    container: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    refusal: str = SECURITY


def secured(**more: Any) -> dict[str, Any]:
    right = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {"securityContext": {**right, **more}}


def near(kind: str, **term: Any) -> Pod:
    """Be near to, or far from, pods of others."""
    found = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"app": "student-expiry"}},
        **term,
    }
    return Pod(
        {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [found]}}}, refusal=f"{POLICY}.*affinity"
    )


TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 31536000}}

BY_PODS: dict[str, Pod] = {
    "a privileged container": Pod(container=secured(privileged=True, allowPrivilegeEscalation=True)),
    "root": Pod(container=secured(runAsUser=0, runAsNonRoot=False)),
    "root among users of its own": Pod(
        {"hostUsers": False}, secured(runAsUser=0, runAsNonRoot=False), refusal=f"{POLICY}.*hostUsers"
    ),
    "a capability": Pod(container=secured(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]})),
    "the node's files": Pod({"volumes": [{"name": "node", "hostPath": {"path": "/"}}]}),
    "the node's network": Pod({"hostNetwork": True}),
    "the node's processes": Pod({"hostPID": True}),
    "a port of the node": Pod(container={"ports": [{"containerPort": 8080, "hostPort": 8080}]}),
    "no seccomp profile": Pod({"securityContext": {"runAsNonRoot": True, "runAsUser": 10001}}),
    "an image from elsewhere": Pod(container={"image": "docker.io/library/busybox"}, refusal=POLICY),
    "others' priority": Pod({"priorityClassName": "system-cluster-critical"}, refusal=POLICY + "|forbidden"),
    "an end that never comes": Pod({"terminationGracePeriodSeconds": 86400}, refusal=POLICY),
    "a finalizer": Pod(metadata={"finalizers": ["example.org/never"]}, refusal=POLICY),
    "a mark of the room's own": Pod(
        metadata={"annotations": {"workshop.istio-games/cpu-limits": "{}"}}, refusal=POLICY
    ),
    "all processors": Pod(container={"resources": {"limits": {"cpu": "0"}}}, refusal="minimum cpu usage"),
    "another's account": Pod({"serviceAccountName": "istiod"}, refusal="serviceaccount .* not found"),
    "a probe's end that never comes": Pod(
        container={"livenessProbe": {"exec": {"command": ["false"]}, "terminationGracePeriodSeconds": 86400}},
        refusal=POLICY,
    ),
    "a node of one's choice": Pod({"nodeName": "control-plane"}, refusal=POLICY),
    "a node that is closed": Pod({"tolerations": [{"operator": "Exists"}]}, refusal=POLICY),
    "a volume of its own": Pod(
        {"volumes": [{"name": "own", "ephemeral": {"volumeClaimTemplate": CLAIM}}]}, refusal=POLICY
    ),
    "a volume of an image from elsewhere": Pod(
        {"volumes": [{"name": "own", "image": {"reference": "docker.io/library/busybox"}}]}, refusal=f"{POLICY}.*volume"
    ),
    "every node for itself, of all namespaces": near("podAntiAffinity", namespaceSelector={}),
    "every node for itself, of another's": near("podAntiAffinity", namespaces=["default"]),
    "a place beside another's pods": near("podAffinity", namespaceSelector={}),
    "a container that is not throttled": Pod(
        {"initContainers": [{"name": "first", "image": "IMAGE", "command": ["sleep", "600"], **secured()}]},
        refusal=f"{POLICY}.*restartPolicy",
    ),
    "resources that are not throttled": Pod(
        {"resources": {"limits": {"cpu": "2", "memory": "512Mi"}}}, refusal=f"{POLICY}.*spec.resources"
    ),
    "a token that lasts": Pod(
        {"serviceAccountName": "student", "volumes": [{"name": "own", "projected": {"sources": [TOKEN]}}]},
        refusal=f"{POLICY}.*account",
    ),
    "a probe of the node itself": Pod(container={"livenessProbe": {"httpGet": {"host": "127.0.0.1", "port": 10248}}}),
    "a command each second": Pod(
        container={"readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1}}, refusal=f"{POLICY}.*command"
    ),
    "commands of several probes": Pod(
        container={
            "readinessProbe": {"exec": {"command": ["true"]}},
            "livenessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 60},
        },
        refusal=f"{POLICY}.*command",
    ),
    "too much of the disk": Pod(container={"resources": {"limits": {"ephemeral-storage": "50Gi"}}}, refusal=LIMIT),
    "too much memory": Pod(container={"resources": {"limits": {"memory": "8Gi"}}}, refusal=LIMIT),
    "too much of the processor": Pod(container={"resources": {"limits": {"cpu": "8"}}}, refusal=LIMIT),
}

# From a pod of the student's: ADDRESS:PORT by what it is; in braces what is looked up.
BY_NETWORK: dict[str, str] = {
    "another's page": "{front}:8080",
    "another's backend": "{aleph}:8080",
    "another's database": "{mongo}:27017",
    "another's page by its service": "{front service}:80",
    "another's metrics": "{front}:15020",
    "another's proxy": "{front}:15090",
    "the room's own database": "{staging mongo}:27017",
    "the API server": "{kubernetes}:443",
    "the API server at its node": "{node}:6443",
    "a kubelet": "{node}:10250",
    "etcd": "{node}:2379",
    "the network plugin": "{node}:20244",
    "istiod in plain text": "{istiod}:15010",
    "istiod's debug pages": "{istiod}:8080",
    "istiod's metrics": "{istiod}:15014",
    "istiod's webhooks": "{istiod}:15017",
    "the registry": "{registry}:5000",
    "the registry's port of the nodes": "{node}:{registry port}",
    "the room's page at its port of the nodes": "{node}:{front port}",
    "the names' metrics": "{dns}:9153",
    "the world": "192.0.2.1:443",
}
