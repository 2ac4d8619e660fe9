"""What this suite adds to the verification report, where the plugin and the model meet.

`details` says what the model under test is and what is proved of it; `illustrate` draws it; `sequence_box` lets a
reader try sequences on it; `commands` compares reports and makes their pages again.
"""
