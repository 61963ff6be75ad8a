/// How threads of a program wait for each other.
#pragma once

namespace nanodet {

/// Lets threads of libgomp spin only shortly while they wait for each other, unless the user chose:
/// on a machine with other work they take the core that the thread they wait for needs, and
/// threads that sleep at once pay for a wake-up in every layer. As `import nanodet` has it.
///
/// OpenMP reads its variables when a program starts, so the program starts once more; where it cannot,
/// threads wait as OpenMP has it. To be called before anything else.
///
/// @param words  of the command line, as ``main`` has them
void limit_spinning(char** words);

}  // namespace nanodet
