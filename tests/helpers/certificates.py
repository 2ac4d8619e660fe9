"""Certificates of short models, taken apart, changed and checked."""

import copy
import io
import json

from cumsum_model.proof.certificate import certify
from cumsum_model.proof.certificate_file import write
from cumsum_model.proof.check.checker import check

SHA = "0" * 64


def weights_of(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def encoded(lengths, model):
    """What `certify` writes of these lengths."""
    file = io.BytesIO()
    write(file, lengths, model, "x.safetensors", SHA)
    return file.getvalue()


def document_of(model, **options):
    return json.loads(encoded(certify(model, **options).lengths, model))


def verify(document, model, sha256=SHA):
    return check(json.dumps(document).encode(), weights_of(model), sha256)


def tampered(document, change):
    changed = copy.deepcopy(document)
    change(changed)
    return changed


def every_class(document):
    for length in document["lengths"]:
        for query in length["queries"]:
            for place in range(len(query["labels"])):
                yield length, query, place


def query_of(document, n=3, last=2):
    return document["lengths"][n - 1]["queries"][last + 5]


def put(query, name, place, entry):
    query[name] = query[name][:place] + entry + query[name][place + 1 :]


def drop(query, *names):
    for name in names:
        query[name] = query[name][:-1]


def first_of(document, verdict):
    return next((query, place) for _, query, place in every_class(document) if query["verdicts"][place] == verdict)
