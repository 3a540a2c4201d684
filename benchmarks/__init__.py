"""Side by side with hand-written torch, tf_keras and Keras 3, in one run."""
