"""Controls: whole models with one mechanism broken, each named for what it does.

A mutant is a function from a model to a new one; the original is not touched. A claim that still
holds on a mutant that breaks its mechanism says nothing, so every claim names mutants that refute it.

There are four kinds. BREAKING mutants answer differently. HIDDEN ones answer every question of the
evaluation set as before although a mechanism has changed: no test of behaviour can see them, a claim
about the mechanism must. SYMMETRIES give the same probabilities on every sequence with other weights:
only claims that depend on what a symmetry `changes` may notice. IDEALS are what the write-up's summary
says the model is: all that is claimed is true of them, and so are the published statements that are
false of the real one.
"""

from cumsum_model.mutants.architecture import add_a_head, add_a_layer, normalise_before_unembedding
from cumsum_model.mutants.attention import (
    add_head_output_twice,
    add_instead_of_averaging,
    add_mlp_output_twice,
    attend_a_little_to_recent,
    attend_to_first,
    attend_to_large_values,
    attend_to_last,
    drop_mlp_output,
    leak_next_token,
    lower_temperature,
    untrained_attention_scores,
)
from cumsum_model.mutants.criteria import fork_the_stream, hold_the_sign_alone, shuffle_weights
from cumsum_model.mutants.kinks import (
    deafen_dead_neurons,
    detect_zero_by_silence,
    keep_neurons_firing,
    let_all_neurons_fire_on_negative_means,
    let_all_neurons_fire_on_positive_means,
    let_neurons_read_backwards,
    move_kinks,
    silence_near_zero,
)
from cumsum_model.mutants.neurons import (
    boast_in_vain,
    double_strongest_neuron,
    flip_strongest_neuron,
    lean_on_a_dead_neuron,
    let_a_dead_neuron_heed_the_token,
    open_back_door,
    silence_mlp,
    silence_strongest_neuron,
    split_strongest_neuron,
    suppress_zero,
    wake_weakest_neuron,
)
from cumsum_model.mutants.ov_circuit import (
    carry_a_second_direction,
    clip_values,
    count_signs,
    drift_with_position,
    hold_the_mean_exactly,
    let_a_dead_neuron_read_size,
    let_size_vote_zero,
    offset_values,
    shout_current_value,
    shout_off_u,
    square_values,
    stretch_one_value,
    swap_two_values,
)
from cumsum_model.mutants.symmetries import (
    all_at_once,
    change_b_K,
    change_head_basis,
    fold_b_out_into_readers,
    fold_b_V_into_b_O,
    move_b_in_to_b_O,
    move_W_pos_to_biases,
    renumber_heads,
    renumber_neurons,
    rescale_neurons,
    rescale_stream,
    rotate_stream,
    shear_stream,
    shift_embeddings,
    shift_logits_by_a_constant,
    shift_unembeddings,
    shift_unembeddings_at_random,
    skew_stream,
)
from cumsum_model.mutants.unembedding import (
    favour_zero,
    shun_zero,
    speak_timidly,
    swap_verdicts,
    unembed_neg_apart_from_pos,
    unembed_zero_as_pos,
)
from cumsum_model.mutants.whole import (
    add_much_noise,
    add_some_noise,
    fold_the_mlp_away,
    let_zero_take_a_side,
    raise_confidence,
    train_briefly,
    untrained,
)

SYMMETRIES = (
    rescale_stream,
    shear_stream,
    rotate_stream,
    skew_stream,
    shift_logits_by_a_constant,
    shift_unembeddings,
    shift_unembeddings_at_random,
    fold_b_V_into_b_O,
    move_b_in_to_b_O,
    fold_b_out_into_readers,
    shift_embeddings,
    move_W_pos_to_biases,
    change_b_K,
    rescale_neurons,
    renumber_neurons,
    change_head_basis,
    renumber_heads,
    all_at_once,
)

BASELINES = (untrained, shuffle_weights)
"""Random models of the same sizes, with initial weights and with trained ones in no order: for any claim."""

IDEALS = (hold_the_mean_exactly, deafen_dead_neurons)

ARCHITECTURES = (add_a_head, add_a_layer, normalise_before_unembedding)
"""Of other sizes, or not of this kind at all: for what is said of the architecture, and no part of ALL."""

HIDDEN = (
    hold_the_sign_alone,
    fork_the_stream,
    speak_timidly,
    carry_a_second_direction,
    split_strongest_neuron,
    boast_in_vain,
    lean_on_a_dead_neuron,
    open_back_door,
    add_instead_of_averaging,
    add_head_output_twice,
    add_mlp_output_twice,
    suppress_zero,
    unembed_zero_as_pos,
    add_some_noise,
    raise_confidence,
    fold_the_mlp_away,
    let_zero_take_a_side,
)

BREAKING = (
    shuffle_weights,
    attend_to_last,
    attend_to_first,
    attend_to_large_values,
    attend_a_little_to_recent,
    untrained_attention_scores,
    lower_temperature,
    leak_next_token,
    drop_mlp_output,
    count_signs,
    clip_values,
    swap_two_values,
    square_values,
    stretch_one_value,
    offset_values,
    let_size_vote_zero,
    let_a_dead_neuron_read_size,
    shout_current_value,
    shout_off_u,
    drift_with_position,
    silence_mlp,
    silence_strongest_neuron,
    double_strongest_neuron,
    flip_strongest_neuron,
    let_neurons_read_backwards,
    let_all_neurons_fire_on_positive_means,
    let_all_neurons_fire_on_negative_means,
    move_kinks,
    silence_near_zero,
    detect_zero_by_silence,
    keep_neurons_firing,
    wake_weakest_neuron,
    let_a_dead_neuron_heed_the_token,
    unembed_neg_apart_from_pos,
    swap_verdicts,
    favour_zero,
    shun_zero,
    untrained,
    train_briefly,
    add_much_noise,
)

ALL = (*BREAKING, *HIDDEN, *SYMMETRIES, *IDEALS)
