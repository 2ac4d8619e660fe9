"""Controls: whole models with one mechanism broken, each named for what it does.

A mutant is a function from a model to a new one; the original is not touched. There are four kinds, as of every
system. BREAKING mutants answer differently. HIDDEN ones answer as rightly as before, to within a tenth of a percent,
although a mechanism has changed. SYMMETRIES give the same probabilities on every list with other weights. IDEALS are
what the solution says the model is: published statements that are false of the real one are true of them.
"""

from sorted_list_model.mutants.architecture import add_a_head, add_a_layer, unembed_without_layer_norm
from sorted_list_model.mutants.attention import (
    attend_to_the_current_number,
    attend_uniformly,
    attend_uniformly_in_lesser_head,
    attend_uniformly_in_main_head,
    double_scores,
    exaggerate_unsorted_positions,
    exchange_QK,
    forget_sorted_positions,
    halve_scores,
    negate_keys,
    reverse_sorted_positions,
    see_every_number_one_higher,
    shun_the_first_number,
    soften_scores,
    take_SEP_for_the_last_number,
    transpose_QK,
    untrained_attention_scores,
)
from sorted_list_model.mutants.back_door import open_back_door
from sorted_list_model.mutants.ideals import attend_to_next_alone, attend_to_second_next_alone
from sorted_list_model.mutants.ov_circuit import (
    blur_unembedding,
    blur_unembedding_upwards,
    boost_nothing_below,
    copy_exactly,
    copy_in_both_heads,
    copy_one_higher,
    copy_one_higher_in_lesser_head,
    copy_one_higher_in_main_head,
    copy_small_numbers_more,
    mirror_cross_terms,
    negate_OV,
    share_out_as_published,
    sharpen_unembedding,
    silence_lesser_head,
    silence_main_head,
    suppress_nothing_above,
)
from sorted_list_model.mutants.symmetries import (
    all_at_once,
    change_head_basis,
    exchange_heads,
    fold_layer_norm,
    rotate_stream,
    shift_logits_by_a_constant,
    shift_stream_mean,
    shift_unembeddings,
)
from sorted_list_model.mutants.whole import (
    add_much_noise,
    answer_one_higher,
    cut_direct_path,
    enlarge_embeddings,
    forget_epsilon,
    forget_the_largest_number,
    freeze_final_scale,
    freeze_first_scale,
    lower_confidence,
    raise_confidence,
    reverse_direct_path,
    shuffle_weights,
    swap_two_distant_numbers,
    swap_two_numbers,
    take_unsorted_positions_for_one,
    train_briefly,
    untrained,
)

SYMMETRIES = (
    exchange_heads,
    change_head_basis,
    shift_logits_by_a_constant,
    shift_unembeddings,
    fold_layer_norm,
    shift_stream_mean,
    rotate_stream,
    all_at_once,
)

BASELINES = (untrained, shuffle_weights)
"""Random models of the same sizes, with initial weights and with trained ones in no order: for any claim."""

ARCHITECTURES = (add_a_head, add_a_layer, unembed_without_layer_norm)
"""Of other sizes, or not of this kind at all: for what is said of the architecture, and no part of ALL."""

VARIANTS = (take_unsorted_positions_for_one,)
"""What a claim compares the model with. Nearly the same function, which refutes nothing, and no part of ALL."""

IDEALS = (attend_to_next_alone, share_out_as_published)

HIDDEN = (
    soften_scores,
    blur_unembedding,
    raise_confidence,
    lower_confidence,
    freeze_final_scale,
    forget_epsilon,
    open_back_door,
)

BREAKING = (
    exchange_QK,
    transpose_QK,
    negate_keys,
    double_scores,
    halve_scores,
    attend_uniformly,
    attend_uniformly_in_main_head,
    attend_uniformly_in_lesser_head,
    untrained_attention_scores,
    see_every_number_one_higher,
    take_SEP_for_the_last_number,
    forget_sorted_positions,
    reverse_sorted_positions,
    shun_the_first_number,
    exaggerate_unsorted_positions,
    attend_to_the_current_number,
    attend_to_second_next_alone,
    silence_main_head,
    silence_lesser_head,
    copy_one_higher,
    copy_one_higher_in_main_head,
    copy_one_higher_in_lesser_head,
    negate_OV,
    blur_unembedding_upwards,
    sharpen_unembedding,
    boost_nothing_below,
    suppress_nothing_above,
    mirror_cross_terms,
    copy_in_both_heads,
    copy_small_numbers_more,
    copy_exactly,
    swap_two_numbers,
    swap_two_distant_numbers,
    answer_one_higher,
    forget_the_largest_number,
    cut_direct_path,
    reverse_direct_path,
    freeze_first_scale,
    enlarge_embeddings,
    untrained,
    shuffle_weights,
    train_briefly,
    add_much_noise,
)

ALL = (*BREAKING, *HIDDEN, *SYMMETRIES, *IDEALS)
