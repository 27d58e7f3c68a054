"""Networks by what they can be asked: encoders read in both directions, decoders forward only, some see every pixel.

Told by `model_type` alone, without transformers: a catalogue is read in a moment, and on machines that have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ENCODERS = frozenset(
    {
        "albert",
        "bart",
        "bert",
        "big_bird",
        "camembert",
        "convbert",
        "data2vec-text",
        "deberta",
        "deberta-v2",
        "distilbert",
        "electra",
        "ernie",
        "esm",
        "esmc",
        "eurobert",
        "flaubert",
        "fnet",
        "funnel",
        "gte",
        "ibert",
        "jina_embeddings_v3",
        "layoutlm",
        "longformer",
        "luke",
        "mbart",
        "megatron-bert",
        "mobilebert",
        "modernbert",
        "modernvbert",
        "mpnet",
        "mra",
        "mvp",
        "neomme",
        "nomic_bert",
        "nystromformer",
        "perceiver",
        "reformer",
        "rembert",
        "roberta",
        "roberta-prelayernorm",
        "roc_bert",
        "roformer",
        "squeezebert",
        "tapas",
        "ultrabert",
        "ultravbert",
        "xlm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
        "yoso",
    }
)
"""Networks with a head for hidden tokens in transformers; a text network that has none is a decoder."""
COUNTED_FROM_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "ibert",
        "longformer",
        "luke",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
"""Networks whose positions begin above the padding token's id, so that fewer tokens fit than they have positions."""
SEGMENTERS = frozenset(
    {
        "beit",
        "data2vec-vision",
        "dpt",
        "mobilenet_v2",
        "mobilevit",
        "mobilevitv2",
        "sapiens2",
        "segformer",
        "tipsv2_dpt",
        "upernet",
    }
)
"""Networks with a head for masks in transformers; any other image network may be the backbone of an UperNet."""
DETECTORS = frozenset({"conditional_detr", "detr", "graft-fcos", "table-transformer", "yolos"})
"""Networks with a head for boxes; most other image networks may be the backbone of an FCOS."""
STAGED = frozenset(
    {
        "beit",
        "bit",
        "convnext",
        "convnextv2",
        "dinat",
        "dinov2",
        "dinov2_with_registers",
        "dinov3_convnext",
        "dinov3_vit",
        "focalnet",
        "hgnet_v2",
        "hiera",
        "pp_lcnet",
        "pvt_v2",
        "resnet",
        "swin",
        "swinv2",
        "textnet",
        "timm_wrapper",
    }
)
"""Networks that tell images apart and that transformers can cut into stages, so that others are put around them."""
SPEECH_SEQ2SEQ = frozenset({"whisper"})
"""Networks that read clips and write texts with a decoder of their own."""
WITHOUT_EFFECT = {"mlp_ratio", "drop_rate", "global_pool", "in_chans", "num_classes"}
"""Arguments of timm's that say nothing of the layers below the head, or that the backbone is told otherwise."""
PUT_TOGETHER = frozenset({"upernet", "detr", "conditional_detr", "dab-detr", "mask2former", "maskformer"})
"""Networks that consist of any backbone and a head for places: there are no layers without the head."""
POSITIONS = ("max_position_embeddings", "n_positions")
PROJECTION_SIZE = 128  # numbers of a projection that a contrastive loss looks at (Chen et al. 2020, section 2)
BYTES = 258  # every byte, the end of a text and padding: a byte-level vocabulary has no fewer entries


def is_decoder(config: Mapping[str, Any]) -> bool:
    """Say whether a text network of this configuration reads forward only; one without a `model_type` does not."""
    return config.get("model_type", "bert") not in ENCODERS or bool(config.get("is_decoder"))


def count_positions(config: Mapping[str, Any]) -> int | None:
    """Return how many tokens fit into a network of this configuration; None where it does not say."""
    known = [config[key] for key in POSITIONS if isinstance(config.get(key), int) and config[key] > 0]
    if not known:
        return None
    counted = config["model_type"] in COUNTED_FROM_PADDING
    return int(known[0]) - (int(config.get("pad_token_id") or 0) + 1 if counted else 0)


def find_misfit(auto_model: str, config: Mapping[str, Any]) -> str | None:
    """Return why a head of transformers makes no sense above a network, or None.

    transformers itself puts the head of a causal language model on an encoder, which then sees what it is to predict.
    """
    kind = config["model_type"]
    if auto_model == "AutoModelForCausalLM" and not is_decoder(config):
        return (
            f"'{kind}' reads texts in both directions and would see the token that it is to predict; text-generation"
            " needs a decoder such as gpt2 or llama, and masked-language-modelling pretrains an encoder"
        )
    if auto_model == "AutoModelForMaskedLM" and kind not in ENCODERS:
        return (
            f"'{kind}' has no head for hidden tokens; masked-language-modelling needs an encoder such as bert or"
            " roberta, and text-generation pretrains a decoder"
        )
    if auto_model == "AutoModelForSemanticSegmentation" and kind not in SEGMENTERS:
        return (
            f"'{kind}' has no head for masks of its own; semantic-segmentation needs a segformer, or an upernet with"
            f" `backbone_config: {{model_type: {kind}, ...}}`"
        )
    if auto_model == "AutoModelForMaskedPatches" and kind != "vit_mae":
        return (
            f"'{kind}' has no decoder that paints hidden patches; masked-image-modelling needs a vit_mae, whose layers"
            " every target gets as those of a vit, and contrastive-images pretrains any image network"
        )
    if auto_model == "AutoModelForProjection" and kind in PUT_TOGETHER:
        return (
            f"'{kind}' is a head over another network; contrastive-images pretrains that network: write its"
            " configuration, such as `model_type: resnet`"
        )
    if auto_model == "AutoModelForObjectDetection" and kind not in DETECTORS:
        return (
            f"'{kind}' has no head for boxes of its own that is known here; object-detection needs one of"
            f" {', '.join(sorted(DETECTORS))}: a graft-fcos with `backbone_config: {{model_type: {kind}, ...}}` is one"
        )
    if auto_model == "AutoModelForImageClassification" and kind in DETECTORS:
        return (
            f"'{kind}' finds objects and has no head that tells images apart; take its backbone alone, such as a resnet"
        )
    if auto_model == "AutoModelForCTC" and kind in SPEECH_SEQ2SEQ:
        return f"'{kind}' writes token after token, and frame by frame nothing; write `problem: speech-to-text`"
    if auto_model == "AutoModelForSpeechSeq2Seq" and kind not in SPEECH_SEQ2SEQ:
        return (
            f"'{kind}' has no decoder that writes; speech-to-text needs a checkpoint of Whisper, such as"
            " openai/whisper-tiny, and speech-recognition trains a wav2vec2 and its like"
        )
    return None


def find_misfit_of_frame(config: Mapping[str, Any]) -> str | None:
    """Return why a network cannot become the backbone of one that is put around it, or None."""
    kind = config["model_type"]
    if kind not in STAGED:
        return (
            f"'{kind}' cannot be cut into stages, which the head above it reads; take a source such as a resnet,"
            " convnext, swin, dinov2 or, by `timm_wrapper`, another network of timm's"
        )
    if kind != "timm_wrapper":
        return None
    shaping = [f"{name}: {value}" for name, value in (config.get("model_args") or {}).items()
               if name not in WITHOUT_EFFECT]  # fmt: skip
    if not shaping:
        return None
    return (
        f"transformers cuts timm's {config.get('architecture')} into stages as it is by default, and this one has"
        f" model_args of its own, {', '.join(shaping)}; take a source without them"
    )


def find_text_misfits(
    auto_model: str, config: Mapping[str, Any], max_tokens: int, vocabulary_size: int
) -> Iterator[tuple[str, str]]:
    """Yield the key of a source and what is wrong there, for a new text network and its tokenizer."""
    if misfit := find_misfit(auto_model, config):
        yield "backbone.config.model_type", misfit
    # the tokenizers trained here number padding 0 below an encoder: what a configuration says of it is overwritten
    fitting = count_positions({**config, "pad_token_id": 0})
    if fitting is not None and max_tokens > fitting:
        yield (
            "pretraining.max_tokens",
            f"{max_tokens} tokens do not fit into this '{config['model_type']}', which has positions for {fitting};"
            " raise its positions under `backbone.config`, or lower `max_tokens`",
        )
    if is_decoder(config) and vocabulary_size < BYTES:
        yield (
            "pretraining.vocabulary_size",
            f"{vocabulary_size} entries are too few for a '{config['model_type']}', whose tokenizer knows every byte:"
            f" at least {BYTES}",
        )
